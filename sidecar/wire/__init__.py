"""interLink's JSON and nothing else: bodies become commands, states become answers."""
