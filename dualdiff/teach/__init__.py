"""Looking at what the modes do: evaluation traces, graphs, elimination, comparisons, records in words."""

from dualdiff.teach.comparison import ModeComparison, compare_modes
from dualdiff.teach.elimination import Elimination, elimination
from dualdiff.teach.explaining import Explanation, explain
from dualdiff.teach.graph import Graph, graph
from dualdiff.teach.measuring import ModeRun
from dualdiff.teach.report import Report, report
from dualdiff.teach.table import TraceTable, trace_table

__all__ = [
    "trace_table", "TraceTable", "graph", "Graph", "elimination", "Elimination",
    "compare_modes", "ModeComparison", "ModeRun", "explain", "Explanation", "report", "Report",
]  # fmt: skip
