"""Looking at what the modes do: evaluation traces, graphs, elimination, comparisons, records in words."""

from dualdiff.teach.graph import Graph, graph
from dualdiff.teach.table import TraceTable, trace_table

__all__ = ["Graph", "TraceTable", "graph", "trace_table"]
