"""The registry of models: what is known of each version, where its bytes come from, and what admits it to production."""
