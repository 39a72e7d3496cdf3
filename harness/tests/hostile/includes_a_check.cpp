// Has the assembler copy a check, the passwords and the gradebook into the program, to print them.
// scores: 0
// says: does not compile
asm(".incbin \"@ROOT@/harness/checks/lesson_1.py\"\n.incbin \"/etc/shadow\"\n.incbin "
    "\"@OUT@/gradebook.sqlite\"");
