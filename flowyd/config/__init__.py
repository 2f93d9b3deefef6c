"""The configuration file: `load` reads it, `records` is what the rest of flowyd sees of it."""
