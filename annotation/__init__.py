"""Questions, votes, consensus and routing: pure functions of tables, without a database and without torch."""
