"""
The C{twistd engine-router} command.
"""

from twisted.application.service import ServiceMaker

engine_router = ServiceMaker(
    "engine-router",
    "ler.tap",
    "One URL in front of many local inference engines, one in memory at a time.",
    "engine-router",
)
