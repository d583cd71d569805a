"""What tests of the runtime, of the families and of images share: job folders, servers, checks of every algorithm."""
