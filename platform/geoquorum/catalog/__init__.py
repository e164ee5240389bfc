"""What is looked at: regions, scenes, samples and the assets that hold their pixels."""
