"""What the emulator's endpoints share: HTTP over an asyncio transport, and the certificates of a run. `winrm` and `arm` use it; it knows neither."""
