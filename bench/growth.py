"""x"""

CURVES = {}
