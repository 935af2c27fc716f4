"""The official signatures of cmdlets, shipped with the product, and the PowerShell printer."""
