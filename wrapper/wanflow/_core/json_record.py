"""What web frameworks need to return an object as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class JsonRecord:
    """An object with `to_dict`, which FastAPI and pydantic write as that dict."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict that `json.dumps` takes."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Yield the items of `to_dict`, as pydantic's models do: `dict(…)` returns the same."""
        return iter(self.to_dict().items())

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> Any:
        """Say to pydantic how to check and write it; nothing else imports pydantic."""
        from pydantic_core import core_schema  # noqa: PLC0415 - pydantic has imported it

        as_dict = core_schema.plain_serializer_function_ser_schema(
            cls.to_dict, return_schema=core_schema.dict_schema()
        )
        return core_schema.is_instance_schema(cls, serialization=as_dict)
