"""Who may do what: people, projects, roles, and the pseudonyms under which experts vote."""
