"""Writing the files that connect assistants, and removing them without a trace."""

from faiss_memory.install.assistants import Assistants
from faiss_memory.install.data import ABSENT
from faiss_memory.install.formats import KINDS, Part, snippet, whole_file
from faiss_memory.install.installer import Installer
from faiss_memory.install.moves import followed
from faiss_memory.install.places import by_path, context_of, folder_here, system
from faiss_memory.install.plan import Edit, Plan, Refusal
from faiss_memory.install.present import current
from faiss_memory.install.record import Installed, Owner, RecordFile
from faiss_memory.install.status import InstalledAssistant, conflicts, report

__all__ = [
    "ABSENT",
    "KINDS",
    "Assistants",
    "Edit",
    "Installed",
    "InstalledAssistant",
    "Installer",
    "Owner",
    "Part",
    "Plan",
    "RecordFile",
    "Refusal",
    "by_path",
    "conflicts",
    "context_of",
    "current",
    "folder_here",
    "followed",
    "report",
    "snippet",
    "system",
    "whole_file",
]
