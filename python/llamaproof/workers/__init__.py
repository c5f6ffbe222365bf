"""Processes that load a target: started, asked, answered, and what they said when they died."""
