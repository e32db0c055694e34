"""How labels change when a recording comes at another rate, in another format, with fewer leads, or noisy."""
