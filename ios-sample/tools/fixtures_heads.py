def heads(bundle): return []
def gates(bundle): return []
