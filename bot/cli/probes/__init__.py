"""What `check` looks at. A probe is a function from Config to findings; it imports its parts when it runs."""
