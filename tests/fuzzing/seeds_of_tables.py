"""Tables of votes as people and tools keep them, to be damaged: what the readers of tables tell apart by content."""

from __future__ import annotations

import codecs

#: Further options are not given: the columns are found by their names and content.
FOUND: tuple[bytes, ...] = (
    # Two rows of a header: raters in merged cells above, questions below; and one cell above all raters.
    b"File,Kim,,Lou,,Max,\n,emotion,sure,emotion,sure,emotion,sure\na.wav,joy,3,fear,4,joy,2\nb.wav,calm,5,joy,2,calm,1\n",
    b";Emotion;;;Confidence;;\nfile;Kim;Lou;Max;Kim;Lou;Max\na.wav;joy;fear;joy;3;4;5\nb.wav;calm;joy;calm;1;2;3\n",
    b",Emotion,,\nfile,kim,lou,max\na.wav,joy,joy,fear\nb.wav,calm,joy,calm\n",
    # Several labels in a cell, text beside "other", and an annotator's own words.
    b'file,speaker,rater,emotion\na.wav,vera,kim,"joy, fear"\na.wav,vera,lou,fear and joy\nb.wav,otto,kim,other: bored\n'
    b'b.wav,otto,lou,Other (please specify): tired\nb.wav,otto,max,other\na.wav,vera,max,"joy;calm\nfear"\nb.wav,otto,kim,joy/calm\n',
    b"file,kim,lou,max,notes\na.wav,joy,fear,wistful,\nb.wav,calm,Joy/fear,joy,noisy\nc.wav,joy,fear,joy,\nd.wav,fear,fear,calm,\n",
    # Sentences where an id is expected, as in MELD.
    b"Sr No.,Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID,file\n1,Oh my God!,Ross,joy,0,0,a.wav\n2,I do not know that,Joey,fear,0,1,b.wav\n",
    # Places in frames, samples, clock times, and ends beside durations.
    b"file,start_frame,end_frame,fps,rater,emotion\na.wav,0,1,25,kim,joy\na.wav,1,2,25 fps,kim,fear\nb.wav,0,4,\"25,0\",lou,joy\n",
    b"file;start_sample;end_sample;rater;emotion\na.wav;0;640;kim;joy\na.wav;640;1280;kim;fear\nb.wav;0;640;lou;joy\n",
    b"file,sample_start,num_samples,sampling rate (kHz),rater,emotion\na.wav,0,320,8,kim,joy\na.wav,320,320,8,lou,fear\n",
    b"file,start,end,duration,channel,rater,emotion\na.wav,0,0.1,0.1,left,kim,joy\na.wav,0:00.1,0:00.2,0.1,right,lou,fear\na.wav,0.2,0.3,7,left,kim,joy\n",
    b"file,start_frame,end_frame,rater,emotion\na.wav,0,1,kim,joy\na.wav,1,2,kim,fear\n",
    # Gorilla, Qualtrics and Label Studio; totals, repeated headers and merged cells.
    b"Event Index,Participant Private ID,Response,audio\n1,1001,joy,a.wav\n2,1001,fear,b.wav\n3,1002,joy,a.wav\nEND OF FILE,,,\n",
    b'ResponseId,a.wav,b.wav\nResponse ID,a.wav - Which emotion?,b.wav - Which emotion?\n"{""ImportId"":""_recordId""}","{""ImportId"":""Q1""}","{""ImportId"":""Q2""}"\nR_1,joy,fear\nR_2,fear,fear\n',
    b"file,rater,emotion\na.wav,kim,joy\na.wav,lou,fear\nfile,rater,emotion\nb.wav,kim,joy\n,lou,joy\nTotal,,5\n",
    b"Count of rater,Column Labels,,\nRow Labels,calm,fear,joy\na.wav,1,0,2\nb.wav,0,3,0\n",
    # Counts, shares, percent and intensities.
    b"file,anger,joy,sadness\na.wav,3,1,0\nb.wav,0,2,2\n",
    b"file,anger,joy,sadness\na.wav,75%,25%,0%\nb.wav,0%,50%,50%\n",
    b"file,rater,emotion\na.wav,kim,joy (3)\na.wav,lou,fear (1)\nb.wav,kim,joy (2)\nb.wav,lou,calm (3)\n",
    b"sep=;\nfile;Bewerter;Gef\xc3\xbchl;Gewicht\na.wav;1;\xc3\x84rger;0,5\na.wav;2;Freude;1,5\nb.wav;1;Freude;1\n",
    codecs.BOM_UTF16_LE + "file\trater\temotion\na.wav\tkim\tjoy\nb.wav\tlou\tfear\n".encode("utf-16-le"),
    b"HITId,WorkerId,Input.audio,Answer.emotion,AssignmentStatus\nh1,A1,a.wav,joy,Approved\nh1,A2,a.wav,fear,Rejected\nh2,A1,b.wav,joy,Submitted\n",
)  # fmt: skip
UTTERANCES = b"utterance_id,audio,speaker,transcript\nu1,a.wav,s1,Hello\nu2,b.wav,s2,Oh my God!\n"
#: Beside UTTERANCES.
VOTES = (
    b"utterance_id,annotator_id,label,weight\nu1,r1,anger,1\nu1,r2,joy,0.5\nu2,r1,joy,1\n",
    b"clip,rater 1,rater 2\nu1.wav,joy,fear\nu2.wav,joy,joy\n",
    b"clip;calm;fear;joy\nu1;1;0;2\nu2;0;3;0\n",
    b"Utterance,Annotator,Emotion,Status\nu1,kim,joy; fear,done\nu2,lou,other: bored,rejected\n",
    b"rater,u1,u2\nkim,joy,fear\nlou,joy,joy\n",
)
SPEAKERS = (
    b"speaker,sex,age,language\ns1,f,31,de\ns2,m,40,en\n",
    b"ID;Gender;Age\ns1;Female;31,5\ns2;male;40\ns1;Female;31,5\n",
)
#: Sheets one after the other; a name that begins with a point is that of a hidden one, with two points of one that no menu shows.
SHEETS = (
    b"#Votes\nFile,Kim,,Lou,,Max,\n,emotion,sure,emotion,sure,emotion,sure\na.wav,joy,3,fear,4,joy,2\nb.wav,calm,5,joy,2,calm,1\n#.old\nfile,rater,emotion\na.wav,kim,anger\n",
    b"#kim\nfile,emotion\na.wav,joy\nb.wav,fear\n#lou\nfile,emotion\na.wav,fear\nb.wav,fear\n#..nina\nfile,emotion\na.wav,joy\n",
    b"#Sheet1\nonly a title\n#.raw\nfile,rater,emotion\na.wav,kim,joy\nb.wav,lou,fear\n",
    b"#a <b> & c\nfile,rater,emotion,start,end\na.wav,kim,joy,0.1,0.2\n,,,,\na.wav,lou,\"joy, fear\",0.2,0.3\n",
)  # fmt: skip
POTATO = (
    b"user,instance_id,displayed_text,emotion:::anger,emotion:::joy,sure:::very,span_annotation:::x\nr1,u1,,true,,5,[]\nr2,u2,,,1.0,,[]\n",
    b"instance_id,user_id,annotator_origin,emotion.anger,emotion.joy,emotion,other._spans\nu1,r1,human,anger,joy,joy,[]\nu2,r2,llm,,true,,\n",
    codecs.BOM_UTF8 + b"instance_id\tuser_id\temotion.anger\temotion.joy\nu1\tr1\ttrue\t\nu2\tr1\t\ttrue\n",
    b"user,instance_id,emotion:::anger,emotion:::joy\nr1,u1,1,\nr2,u2,,0\nr2,u1,1.0,\n",
    codecs.BOM_UTF16_BE + "instance_id,user_id,emotion\nu1,r1,anger\nu2,,joy\n".encode("utf-16-be"),
)  # fmt: skip
CREMA_D = (
    b'"","A","D","F","H","N","S","fileName","numResponses","agreement","emoVote"\n"100001",0,0,0,1,10,0,"1001_IEO_NEU_XX",11,0.909,"N"\n'
    b'"100002",2,1,0,0,3,1,"1001_IEO_HAP_LO",7,0.4,"N"\n"200001",0,0,0,1,1,0,"1001_IEO_NEU_XX",2,NA,"H:N"\n',
)  # fmt: skip
MSP_ANSWERS = (
    b"FileName,Worker,EmoClass_Major,EmoClass_Second,EmoAct,EmoVal,EmoDom\nM_1_1.wav,W1,Angry,\"Angry,Sad\",2,5.0,4\nM_1_2.wav,W2,Other-tired,Happy,1,1,7\n",
    b'FileName,EmoDetail\nM_1_1.wav,"W5; Neutral; Neutral,Concerned; A:2.0; V:5.0; D:4.0;"\nM_1_2.wav,"W6; Happy; Happy; A:2; V:; D:4;"\n',
)  # fmt: skip
MSP_CONSENSUS = b"FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\nM_1_1.wav,N,2.2,4.0,2.6,127,Female,Train\nM_1_2.wav,A,2,4,x,Unknown,Male,Test1\n"
