"""What is drawn: widgets that show the frozen values of `gui.model` and report what the person does. No logic."""
