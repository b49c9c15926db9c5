"""A server of the Model Context Protocol: agents submit, wait and download with it."""
