# SPDX-License-Identifier: Apache-2.0
"""PixVerse AI video generation as steps of an Apache Airflow pipeline."""

from __future__ import annotations

__version__ = "0.1.0"
