"""flowyd: durable Python workflows as a host service.

Authors import everything they need from here; names are loaded when first used, so that `import flowyd`
costs nothing (no boto3, textual, sqlite3 or asyncio).
"""
