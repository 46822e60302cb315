"""The log: one line per thing that happened, text for people or JSON for machines."""

from __future__ import annotations

import logging
import sys

import structlog


def configure(*, level: str, form: str) -> None:
    """Set up logging for this process.

    :param level: ``debug``, ``info`` or ``error``
    :param form: ``text``, ``json``, or ``auto`` for text on a terminal and JSON elsewhere
    """
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    renderer = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if as_text else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            *([] if as_text else [structlog.processors.dict_tracebacks]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
