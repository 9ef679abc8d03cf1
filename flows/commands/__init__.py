"""Commands of `ambivox` beside the steps: one file each; nothing heavy is imported before they run."""
