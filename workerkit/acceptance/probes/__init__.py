"""What settles an item: each probe looks at one thing of the project, and says what it found."""
