"""The model card of a trained router: what it is, what it was trained on, how to use it, what it is not.

`framed` is what the cards of all routers share; `model_card` is that of the reference router.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rsd_bench.inert_text import markdown_code, markdown_text

if TYPE_CHECKING:  # torch is wanted by none of this
    from rsd_bench.routers.network import ReferenceRouter
    from rsd_bench.routers.training_report import TrainingReport


def framed(title: str, about: str, figures: str) -> str:
    """README.md with the Hub's YAML header: what a router is, how to use it, and its figures, all Markdown."""
    return f"""---
library_name: rsd-bench
license: apache-2.0
tags:
- model-routing
- vision-language-model
---

# {title}

{about.strip()}

```python
import rsd_bench as rsd

router = rsd.load_router("this repository")
print(router.route("photo.jpg", "How many chairs are there?").model)  # edge or cloud
```

{figures.strip()}

It knows one pair of models and one set of sources. For another pair, train another.
"""


def _named(name: object) -> str:
    """A name that a dataset or an encoder's author chose."""
    return markdown_text(str(name))


def model_card(router: ReferenceRouter, report: TrainingReport) -> str:
    """The card of a reference router."""
    trained, figures, spec = router.trained_on, report.validation, router.spec
    pair = trained.get("pair", {})
    dataset, track = _named(trained.get("dataset")), _named(trained.get("track"))
    encoders = ", ".join(f"{encoder.kind}s by {_named(encoder.name)} ({encoder.pooling})" for encoder in spec.encoders)
    seen = [f"- {markdown_code(s.name)}: {s.figure:.4g}, {s.meaning}" for s in report.signatures if s.seen]
    title = f"Router for {_named(pair.get('small'))} and {_named(pair.get('large'))}, {_named(report.scenario)}"
    about = f"""\
P(the small model is good enough) from an image and a question: a 2-layer Transformer over image, text and statistics,
{report.parameters:,} parameters, trained with rsd_bench on {dataset}, track {track}
({trained.get("train_queries")} training, {trained.get("validation_queries")} validation queries). Architecture after
[ECVL-ROUTER](https://arxiv.org/abs/2510.27256), as far as the paper states it; weights and figures are not the paper's.
"""
    told = f"""\
- Features: {encoders},
  frozen, and {len(spec.statistics)} statistics. It refuses others. Where an encoder lies elsewhere, name it:
  `load_router(..., image_encoder=PATH, text_encoder=PATH)`.
- Scenario: MES {router.scenario["mes"]:g}, weights {router.scenario["alpha"]:g} / {router.scenario["beta"]:g} /
  {router.scenario["gamma"]:g}. tau {router.tau:g}, chosen on validation queries.
- Validation: RCS {figures.score.rcs:.4f} ({100 * figures.gain:+z.1f} points to {figures.best_fixed}),
  APSP {figures.score.apsp:.3f}, CA {figures.score.ca:.3f}. tau and the epoch were
  chosen on these same queries; test figures stand on the leaderboard.
"""
    return framed(title, about, told) + (
        "\nWarnings of its training report:\n\n" + "\n".join(seen) + "\n" if seen else ""
    )
