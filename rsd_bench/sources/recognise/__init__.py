"""What a file or folder is, and which importer reads it (`data inspect`). Entry: `recognise`."""
