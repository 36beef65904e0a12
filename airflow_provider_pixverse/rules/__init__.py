# SPDX-License-Identifier: Apache-2.0
"""Every decision: values in, values out, no I/O and no clock."""
