"""Echo Lab: builds, runs, disturbs and grades TCP echo servers."""
