def feedback(bundle): return []
