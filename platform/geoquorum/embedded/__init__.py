"""PostgreSQL and Valkey that start when no URL names others; usable without Django."""
