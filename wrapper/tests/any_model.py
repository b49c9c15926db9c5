"""Models of the spec that tests use, chosen by what they make and by their parameters."""

from __future__ import annotations

from wanflow.catalog.catalog import packaged_catalog


def model_name(kind: str, *parameters: str) -> str:
    """Return the name of a model that makes an image or a video, and has some parameters.

    Without `image_urls` among them, it makes it from a text alone.
    """
    models = packaged_catalog().models.values()
    return next(
        one.name
        for one in models
        if one.kind == kind
        and one.parameters.keys() >= set(parameters)
        and ("image_urls" in one.parameters) == ("image_urls" in parameters)
    )
