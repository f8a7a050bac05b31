"""Loads what builds need; imported by the process that they are forked from."""

from __future__ import annotations

import logging

import dbt.adapters.duckdb
import dbt.cli.main
import dbt.task.build  # noqa: F401

import masterdata.lake.build
import masterdata.reports.making  # noqa: F401
from hub import logs
from masterdata.intake import expectations

logs.configure(level=logging.WARNING)
expectations.warm()
