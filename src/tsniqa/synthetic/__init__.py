"""The mini benchmark: procedural scenes, distortions and simulated observers, made from seeds."""
