"""What runs between Cloister and a job: a fresh interpreter that holds no secret.

Imported by ``python -I -S`` with an empty environment, so it uses a handful of C modules
and nothing of Cloister outside this folder: start-up time is fence time. All imports stand
at the top of a module: the interpreter's own folder is out of sight once the root changed.
"""
