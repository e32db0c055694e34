"""Ground floor: ECG signals in, heartbeats with features out; arrays only, no input or output."""
