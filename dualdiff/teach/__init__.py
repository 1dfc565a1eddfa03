"""Looking at what the modes do: evaluation traces, graphs, elimination, comparisons, records in words."""

from dualdiff.teach.table import TraceTable, trace_table

__all__ = ["TraceTable", "trace_table"]
