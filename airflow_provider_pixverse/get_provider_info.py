# SPDX-License-Identifier: Apache-2.0
"""What Airflow reads of this provider without importing the rest of it."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, as ``airflow/provider_info.schema.json`` describes it."""
    return {
        "package-name": "airflow-provider-pixverse",
        "name": "PixVerse",
        "description": "Makes AI videos with PixVerse as steps of a pipeline: paid for once, delivered once.",
        "integrations": [
            {
                "integration-name": "PixVerse",
                "external-doc-url": "https://docs.platform.pixverse.ai",
                "tags": ["service"],
            }
        ],
        "hooks": [
            {
                "integration-name": "PixVerse",
                "python-modules": ["airflow_provider_pixverse.hooks.pixverse"],
            }
        ],
        "operators": [
            {
                "integration-name": "PixVerse",
                "python-modules": ["airflow_provider_pixverse.operators.pixverse"],
            }
        ],
        "sensors": [
            {
                "integration-name": "PixVerse",
                "python-modules": ["airflow_provider_pixverse.sensors.pixverse"],
            }
        ],
        "triggers": [
            {
                "integration-name": "PixVerse",
                "python-modules": ["airflow_provider_pixverse.triggers.pixverse"],
            }
        ],
        "task-decorators": [
            {
                "name": "pixverse",
                "class-name": "airflow_provider_pixverse.decorators.pixverse.pixverse_task",
            }
        ],
        "config": {
            "pixverse": {
                "description": "How the PixVerse provider keeps its records.",
                "options": {
                    "state_path": {
                        "description": "Where the records of submissions are kept on Airflow 3.0 to 3.2, "
                        "which have no task state store: an object-storage URL or path, readable and "
                        "writable by every worker. Empty: beside each task's output_path.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "s3://bucket/pixverse-state",
                        "default": "",
                    }
                },
            }
        },
        "plugins": [
            {
                "name": "pixverse_gallery",
                "plugin-class": "airflow_provider_pixverse.plugins.gallery.PixverseGalleryPlugin",
            }
        ],
        "extra-links": ["airflow_provider_pixverse.links.pixverse.PixverseVideoLink"],
        "connection-types": [
            {
                "hook-class-name": "airflow_provider_pixverse.hooks.pixverse.PixverseHook",
                "hook-name": "PixVerse",
                "connection-type": "pixverse",
                "ui-field-behaviour": {
                    "hidden-fields": ["login", "port", "schema"],
                    "relabeling": {"password": "API key", "host": "Base URL"},
                    "placeholders": {
                        "password": "as made at aimlapi.com, cloud.segmind.com or platform.pixverse.ai",
                        "host": "leave empty; only to override the gateway's own, e.g. for the sandbox",
                    },
                },
                "conn-fields": {
                    "gateway": {
                        "label": "Gateway",
                        "description": "Who sells the videos and made the API key.",
                        "schema": {
                            "type": ["string", "null"],
                            "enum": ["aimlapi", "segmind", "pixverse"],
                            "values_display": {
                                "aimlapi": "AI/ML API",
                                "segmind": "Segmind",
                                "pixverse": "PixVerse's own platform",
                            },
                            "default": "aimlapi",
                        },
                    },
                    "region": {
                        "label": "Region",
                        "description": "Where the account was opened. Only PixVerse's own platform has two.",
                        "schema": {
                            "type": ["string", "null"],
                            "enum": ["international", "china"],
                            "default": "international",
                        },
                    },
                    "request_timeout": {
                        "label": "Request timeout",
                        "description": "Seconds that one answer of the gateway may take, from 1 on. How long "
                        "a video may take is the operators' timeout.",
                        "schema": {"type": ["number", "null"], "default": 60, "minimum": 1},
                    },
                    "max_connections": {
                        "label": "Max connections",
                        "description": "Most connections open to the gateway at a time, per process, from 1 "
                        "on; also the most requests under way.",
                        "schema": {"type": ["integer", "null"], "default": 100, "minimum": 1},
                    },
                },
            }
        ],
    }
