"""The panel, for programs that give it options: `App(ops=True, observe=[Panel(token=...)])`."""

from fastdag.web.panel.panel import Panel

__all__ = ["Panel"]
