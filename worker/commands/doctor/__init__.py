"""The doctor of the sign-in: goes through the chain from the server's name to its folders, and says who mends what."""
