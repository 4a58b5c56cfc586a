"""The console: an interface of JSON over the record, and the pages that ask it."""
