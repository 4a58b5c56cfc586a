"""What is in a schema, as PostgreSQL's catalogue tells, in the words of `outline`."""

from __future__ import annotations

from cloister.core.events import Transaction
from cloister.db.outline import TableOutline, index_outline

_OWN = frozenset({"claim", "commit_mark"})
"""The engine's own, no part of the record."""
_RELATIONS = """
    SELECT oid, relname, relkind FROM pg_class
    WHERE relnamespace = CAST(current_schema() AS regnamespace)
      AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S') ORDER BY relname
"""
_COLUMNS = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
           pg_get_expr(d.adbin, d.adrelid), COALESCE(c.collname, 'C')
    FROM pg_attribute a
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN pg_collation c ON c.oid = a.attcollation
    WHERE a.attrelid = ? AND a.attnum > 0 AND NOT a.attisdropped
"""
_CONSTRAINTS = """
    SELECT k.oid, k.contype, COALESCE(r.relname, ''), a.attname
    FROM pg_constraint k
    LEFT JOIN pg_class r ON r.oid = k.confrelid
    CROSS JOIN LATERAL unnest(k.conkey) WITH ORDINALITY AS u (number, place)
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number
    WHERE k.conrelid = ? AND k.contype IN ('p', 'u', 'f') ORDER BY k.oid, u.place
"""
_KEYS = {"p": "key", "u": "unique"}
_INDEXES = """
    SELECT i.indexrelid, x.relname, t.relname, i.indisunique, i.indpred IS NOT NULL
    FROM pg_index i
    JOIN pg_class x ON x.oid = i.indexrelid
    JOIN pg_class t ON t.oid = i.indrelid
    WHERE t.relnamespace = CAST(current_schema() AS regnamespace)
      AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid)
"""
_INDEXED = """
    SELECT COALESCE(a.attname, 'expression'),
           pg_index_column_has_property(i.indexrelid, CAST(u.place AS integer), 'desc')
    FROM pg_index i
    CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS u (number, place)
    LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.number
    WHERE i.indexrelid = ? ORDER BY u.place
"""
_OTHERS = """
    SELECT 'trigger', tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = CAST(current_schema() AS regnamespace) AND NOT t.tgisinternal
    UNION ALL
    SELECT 'rule', rulename FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
    WHERE c.relnamespace = CAST(current_schema() AS regnamespace) AND c.relkind <> 'v'
    UNION ALL
    SELECT 'policy', polname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
    WHERE c.relnamespace = CAST(current_schema() AS regnamespace)
    UNION ALL
    SELECT 'function', proname FROM pg_proc
    WHERE pronamespace = CAST(current_schema() AS regnamespace)
"""
_KINDS = {
    "r": "table",
    "p": "table",
    "v": "view",
    "m": "view",
    "f": "foreign table",
    "S": "sequence",
}


def outlines(transaction: Transaction) -> dict[str, str]:
    """Everything in the schema; what no migration makes has its kind for an outline."""
    items: dict[str, str] = {}
    for oid, name, kind in transaction.query(_RELATIONS):
        if name not in _OWN:
            what = _KINDS[kind]
            items[f"{what} {name}"] = str(_table(transaction, oid)) if what == "table" else what
    for oid, name, table, unique, partial in transaction.query(_INDEXES):
        columns = [
            f"{column}{' desc' if down else ''}"
            for column, down in transaction.query(_INDEXED, (oid,))
        ]
        items[f"index {name}"] = index_outline(
            table, columns, unique=bool(unique), partial=bool(partial)
        )
    items.update((f"{kind} {name}", kind) for kind, name in transaction.query(_OTHERS))
    return items


def _table(transaction: Transaction, oid: int) -> TableOutline:
    outline = TableOutline()
    for name, kind, required, default, order in transaction.query(_COLUMNS, (oid,)):
        told = kind if order == "C" else f"{kind} collate {order}"
        outline.column(name, told, required=bool(required), default=default)
    sets: dict[int, tuple[str, list[str]]] = {}
    for constraint, kind, table, column in transaction.query(_CONSTRAINTS, (oid,)):
        word = _KEYS.get(kind, f"references {table}")
        sets.setdefault(constraint, (word, []))[1].append(column)
    for word, columns in sets.values():
        outline.key(word, columns)
    [(outline.checks,)] = transaction.query(
        "SELECT COUNT(*) FROM pg_constraint WHERE conrelid = ? AND contype = 'c'", (oid,)
    )
    return outline
