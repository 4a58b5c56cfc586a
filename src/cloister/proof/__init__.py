"""Proof: signed statements, bundles that stand alone, erasure certificates, lineage pages."""
