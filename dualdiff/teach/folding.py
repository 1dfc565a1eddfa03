"""Folding a graph that is too large to be read: runs of ops, and ops that are alike, become one box each.

Nothing is left out: every value is in exactly one group, and an edge between two groups stands for all edges
between their members. No merge makes a cycle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import NamedTuple

from dualdiff.teach.evaluation import Value
from dualdiff.teach.words import known_as


class Group(NamedTuple):
    """Values that are drawn as one box, in their order."""

    members: tuple[Value, ...]

    @property
    def kind(self) -> str:
        return self.members[0].kind

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(str(value.name) for value in self.members)

    def ops(self) -> str:
        """What is in it: 3 multiply, 2 sin, ..."""
        counts = Counter(known_as(value.op) for value in self.members).most_common()
        return ", ".join(f"{n} {op}" for op, n in counts[:3]) + (", ..." if len(counts) > 3 else "")


def folded(values: list[Value], limit: int) -> list[Group]:
    """Groups of the values, no more than about `limit`: as many as there are values if those are few enough.

    First chains, in which each op has one reader and that one reads nothing else; then groups that do the
    same to the same, or for the same. Where that leaves too many, neighbours in the order of computation: a
    third of `limit`, since such blocks have many lines between them.
    """
    groups = [Group((value,)) for value in values]
    for fold in (chains, alike, chains, alike, chains):
        if len(groups) > limit:
            groups = fold(groups)
    return groups if len(groups) <= limit else blocks(values, limit // 3)


def links(groups: list[Group]) -> tuple[list[set[int]], list[set[int]]]:
    """For each group the groups that it reads, and those that read it."""
    home = {name: k for k, group in enumerate(groups) for name in group.names}
    read: list[set[int]] = [set() for _ in groups]
    readers: list[set[int]] = [set() for _ in groups]
    for k, group in enumerate(groups):
        for value in group.members:
            for parent in value.parents:
                if home[parent] != k:
                    read[k].add(home[parent])
                    readers[home[parent]].add(k)
    return read, readers


def chains(groups: list[Group]) -> list[Group]:
    """Runs of ops of which each has one reader, which reads nothing else."""
    read, readers = links(groups)

    def follows(k: int) -> bool:
        (before,) = read[k]
        return groups[k].kind == groups[before].kind == "op" and len(readers[before]) == 1

    label: list[int] = []
    for k in range(len(groups)):  # groups stand behind those that they read
        label.append(label[min(read[k])] if len(read[k]) == 1 and follows(k) else k)
    return merged(groups, label)


def alike(groups: list[Group]) -> list[Group]:
    """Groups of the same ops with the same readers, then those that read the same."""
    for side in (1, 0):
        neighbours = links(groups)[side]
        groups = merged(groups, [(sort_of(g), frozenset(neighbours[k])) for k, g in enumerate(groups)])
    return groups


def sort_of(group: Group) -> Hashable:
    """What a group does, whatever it does it to."""
    return group.kind, tuple(dict.fromkeys(value.op for value in group.members))


def blocks(values: list[Value], limit: int) -> list[Group]:
    """Neighbours in the order of computation, as many at a time as makes few enough."""
    counts = Counter(value.kind for value in values)
    room = {kind: min(n, max(1, limit // 4)) for kind, n in counts.items() if kind != "op"}
    room["op"] = max(1, limit - sum(room.values()))
    seen: Counter = Counter()
    found: dict[Hashable, list[Value]] = {}
    for value in values:
        label = (value.kind, seen[value.kind] * room[value.kind] // counts[value.kind])
        seen[value.kind] += 1
        found.setdefault(label, []).append(value)
    return in_order([Group(tuple(members)) for members in found.values()])


def in_order(groups: list[Group]) -> list[Group]:
    """The groups, each behind those that it reads, shallow ones first."""
    read, _ = links(groups)
    depth: dict[int, int] = {}

    def depth_of(k: int) -> int:
        todo = [k]
        while todo:
            missing = [r for r in read[todo[-1]] if r not in depth]
            if missing:
                todo += missing
            else:
                last = todo.pop()
                depth[last] = 1 + max((depth[r] for r in read[last]), default=-1)
        return depth[k]

    return [groups[k] for k in sorted(range(len(groups)), key=depth_of)]


def merged(groups: list[Group], label: Iterable[Hashable]) -> list[Group]:
    """One group for each label, in an order in which each stands behind those that it reads."""
    found: dict[Hashable, list[Value]] = {}
    for group, key in zip(groups, label, strict=True):
        found.setdefault(key, []).extend(group.members)
    return in_order([Group(tuple(members)) for members in found.values()])
