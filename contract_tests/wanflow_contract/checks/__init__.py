"""What every correct server does, as pure functions over exchanges; importing it registers all."""

from wanflow_contract.checks import definitions

__all__ = ["definitions"]
