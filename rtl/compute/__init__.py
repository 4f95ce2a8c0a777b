"""The COMPUTE queue's engines: dense, sparse, or both."""
