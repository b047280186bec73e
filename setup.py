"""What pyproject.toml cannot say: `dataset_cards/` stands at the root for people, and in the wheel beside the code."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["rsd_bench", "rsd_bench.*"]), "rsd_bench.dataset_cards"],
    package_dir={"rsd_bench.dataset_cards": "dataset_cards"},
)
