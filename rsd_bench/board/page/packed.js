// Whole numbers that came as text: the other half of packed.py.
const VLQ = new Map([..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"].map((digit, i) => [digit, i]));
function unpacked(text) {
  const numbers = [];
  let value = 0, unit = 1;
  for (const character of text) {
    const digit = VLQ.get(character);
    value += (digit % 32) * unit;
    unit *= 32;
    if (digit > 31) continue;
    numbers.push(value % 2 ? (1 - value) / 2 : value / 2);
    [value, unit] = [0, 1];
  }
  return numbers;
}
