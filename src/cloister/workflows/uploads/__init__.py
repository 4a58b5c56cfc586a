"""Files that come through a browser: received in sealed pieces, then added like any folder."""
