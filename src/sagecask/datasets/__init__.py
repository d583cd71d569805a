"""Files of training data as a person handles them: turned into another format, and looked at."""
